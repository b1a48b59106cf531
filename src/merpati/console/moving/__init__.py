"""Pages of migrations, for customers and the desk: charts, forms, words."""
