"""Other ways to look at the records of a form than a list: kanban, calendar, gallery, tree. ``kinds`` lists them."""
