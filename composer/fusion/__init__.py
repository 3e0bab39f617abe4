"""The batched fusion core: several models advance together as one."""
