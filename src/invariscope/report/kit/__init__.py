"""The kit of all pages and figures: words and numbers, colours, tables, the page around them."""
