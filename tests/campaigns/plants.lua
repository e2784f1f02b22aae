-- Faults that campaigns must find (make campaign PLANT=name, or PLANT=all). Each is a substitution in one source file:
-- `from` must stand there exactly once. The campaign named is run in its short form with the program built from that.
return {
  { name = "write-in-place", campaign = "kill", file = "runtime/store/file.c",
    from = 'char *temporary = text_join(path, length, ".tmp", err)', to = 'char *temporary = text_join(path, length, "", err)' },
}
