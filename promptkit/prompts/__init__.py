"""What methods put in front of, into or around a class name; sentences; templates."""
