"""What makes the book: figures and tables of runs, the DAG's keys, pages, and the doctor."""
