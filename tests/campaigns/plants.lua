-- Faults that campaigns must find (make campaign PLANT=name, or PLANT=all). Each is a substitution in one source file:
-- `from` must stand there exactly once. The campaign named is run in its short form with the program built from that.
return {
  { name = "write-in-place", campaign = "kill", file = "runtime/store/file.c",
    from = 'char *temporary = text_join(path, length, ".tmp", err)', to = 'char *temporary = text_join(path, length, "", err)' },
  { name = "derived-files-forgotten", campaign = "kill", file = "lua/perilune/run.lua", from = "  complete(run, e, found)\n", to = "" },
  { name = "full-disk-ignored", campaign = "disk", file = "runtime/store/file.c", from = "if (n <= 0) return -1;", to = "if (n <= 0) return 0;" },
  { name = "no-warning", campaign = "disk", file = "lua/perilune/run.lua", from = "if problem then warn(", to = "if false then warn(" },
  { name = "no-fsync-of-files", campaign = "power", file = "runtime/store/file.c",
    from = "else if (SYS.fsync(fd) != 0) status", to = "else if (0) status" },
  { name = "no-fsync-of-folders", campaign = "power", file = "runtime/store/file.c",
    from = "if (SYS.fsync(fd) != 0 && errno != EINVAL && errno != ENOTSUP) status", to = "if (0) status" },
  { name = "freed-tensor-used", campaign = "api", file = "runtime/bind/bind_tensor.c",
    from = 'else if (*slot == NULL) luaL_argerror(L, index, "this tensor was freed', to = 'else if (0) luaL_argerror(L, index, "this tensor was freed' },
  { name = "generator-word-dropped", campaign = "resume", file = "lua/perilune/random.lua",
    from = "index = state.index, tensor_seed = seed", to = "index = 0, tensor_seed = seed" },
  { name = "optimizer-counters-dropped", campaign = "resume", file = "lua/perilune/run.lua",
    from = "  optimizer:set_counters(found.optimizer.counters)\n", to = "" },
  { name = "digest-unchecked", campaign = "damaged", file = "runtime/store/proof.c",
    from = "if (memcmp(found, file + AT_DIGEST, sizeof found) != 0) {", to = "if (0) {" },
  { name = "idx-length-off-by-one", campaign = "fuzz", file = "runtime/data/readers/idx.c",
    from = "f->bytes = (size_t)count * pl_dtype_size(f->type);", to = "f->bytes = (size_t)(count - (count > 0)) * pl_dtype_size(f->type);" },
}
