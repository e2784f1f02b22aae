-- Libraries that are loaded when first needed, and are not there: one line, which says what for and what to install.
-- The loader is made to fail by a folder that is searched first, whose files of these names are no libraries.
local lu = require "luaunit"
local cli = dofile "tests/cli/support.lua"

local golden = os.getenv "PWD" .. "/tests/golden/readers/"
local linux = io.open "/proc/self/maps" ~= nil

-- What a script says, or its error, where the loader finds only files that are no libraries under these names.
local function without(names, script)
  lu.skipIf(not linux, "only Linux' loader is made to fail here")
  for _, name in ipairs(names) do cli.write("none/" .. name, "no library") end
  cli.write("script.lua", 'local pl = require "perilune"\n' .. script)
  local r = cli.run("script.lua", ("LD_LIBRARY_PATH=%s"):format(cli.quote(cli.folder .. "/none")))
  os.execute(("rm -r %s/none"):format(cli.quote(cli.folder)))
  return r
end

-- Fails with one line that holds these words; with the library the same script runs.
local function refused(names, script, ...)
  local r = without(names, script)
  lu.assertNotEquals(r.status, 0)
  lu.assertEquals(r.out, "")
  lu.assertStrMatches(r.err, "[^\n]*\n")
  for _, words in ipairs { ... } do lu.assertStrContains(r.err, words) end
  r = without({}, script)
  lu.assertEquals({ r.err, r.status }, { "", 0 })
end

-- Pictures of one kind, in folders of two classes.
local function pictures(name)
  local ending = name:match "%.%w+$"
  for _, class in ipairs { "a", "b" } do
    local file = assert(io.open(golden .. name, "rb"))
    cli.write(("%s/%s/1%s"):format(ending:sub(2), class, ending), file:read "a")
    file:close()
  end
  return ('pl.data.images({ "%s", size = { 8, 8 }, channels = 1 }):splits():tensors()'):format(ending:sub(2))
end

TestLibraries = {}

function TestLibraries:test_png()
  refused({ "libpng16.so.16", "libpng16.so" }, pictures "gray.png", "PNG pictures need libpng",
    "install it (Debian: libpng16-16)")
end

function TestLibraries:test_jpeg()
  refused({ "libturbojpeg.so.0", "libturbojpeg.so" }, pictures "gray.jpg", "JPEG pictures need libjpeg-turbo",
    "install it (Debian: libturbojpeg0)")
end

function TestLibraries:test_hdf5()
  local names = {}
  for name in io.popen("ldconfig -p 2>/dev/null; PATH=$PATH:/sbin ldconfig -p"):read "a":gmatch "%s(libhdf5[%w_.-]*)" do
    names[#names + 1] = name
  end
  lu.skipIf(#names == 0, "ldconfig does not know libhdf5")
  local script = 'pl.save("x.h5", { a = pl.ones(2) })'
  refused(names, script, "files need the HDF5 library", "install it (Debian: libhdf5-dev)")
end

function TestLibraries:test_curl()
  local names = { "libcurl.so.4", "libcurl-gnutls.so.4", "libcurl.so" }
  local r = without(names, 'local ok, message = require "perilune.core".data.download("http://127.0.0.1:1/x", "x") ' ..
    "print(ok, message)")
  lu.assertStrContains(r.out, "fetching needs libcurl, which is not installed here (Debian: apt install libcurl4)")
end

function TestLibraries:test_archive()
  local names = { "libarchive.so.13" }
  local r = without(names, 'print(require "perilune.data.fetch".fetch("cifar10", { to = "x", say = print }))')
  lu.assertEquals(r.out, "nil\tunpacking needs libarchive, and libarchive.so.13 cannot be loaded; install it (Debian: "
    .. "libarchive13)\n")
end

os.exit(lu.LuaUnit.run("-o", "tap"), true)
