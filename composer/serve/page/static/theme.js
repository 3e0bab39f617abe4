// Sets the chosen theme before anything is drawn, so that the page does not flash in the other one.
{
  const theme = localStorage.getItem("theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
}
