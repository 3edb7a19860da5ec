"""What `improve` found, as text and as a page: before and after."""
