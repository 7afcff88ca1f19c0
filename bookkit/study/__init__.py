"""The paper's user study (Sec. 4.5), to be done again: a page, its key, and Tables 4 and 5."""
