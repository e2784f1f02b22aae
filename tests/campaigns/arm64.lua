-- arm64 by a cross compiler and an emulator: all builds, the C tests pass, and trainings end with the bits of this
-- machine.
-- Debian: dpkg --add-architecture arm64; apt-get update; apt-get install gcc-aarch64-linux-gnu qemu-user
-- libgomp1:arm64 libhdf5-103-1:arm64 liblua5.4-dev:arm64 libedit-dev:arm64 libcjson-dev:arm64 libmd-dev:arm64
-- zlib1g-dev:arm64 libcurl4-openssl-dev:arm64 libcmocka-dev:arm64
local campaign = dofile "tests/campaigns/support.lua"

if campaign.short then campaign.skip "building for arm64 and emulating it takes minutes" end
if require "perilune".system.processor():find "aarch64" then
  campaign.skip "this is no machine of another kind"
end
for _, command in ipairs { "aarch64-linux-gnu-gcc", "qemu-aarch64" } do
  if not campaign.has(command) then
    campaign.skip(command .. " is not there (Debian: gcc-aarch64-linux-gnu, qemu-user)")
  end
end
local sources, build = os.getenv "PWD", campaign.build .. "-arm64"
local own = build .. "/packages"
local packages = ("PKG_CONFIG_LIBDIR=%s:/usr/lib/aarch64-linux-gnu/pkgconfig:/usr/share/pkgconfig"):format(own)
local function has(name) return campaign.shell(("%s pkg-config --exists %s"):format(packages, name)).status == 0 end

-- Debian's libhdf5-dev is there for one kind of machine at a time: that for arm64 is unpacked aside. The library itself
-- (libhdf5-103-1:arm64) is installed beside the other.
local function unpack_hdf5()
  local unpacked = campaign.shell(("mkdir -p %s && cd %s && apt-get download libhdf5-dev:arm64 && dpkg -x " ..
    "libhdf5-dev_*_arm64.deb ."):format(campaign.quote(own), campaign.quote(own)))
  local library = campaign.shell "ls /usr/lib/aarch64-linux-gnu/libhdf5_serial.so.*".out:match "[^/\n]+%f[\n]"
  if unpacked.status ~= 0 or not library then return end
  local file = assert(io.open(own .. "/hdf5.pc", "w"))
  file:write(("Name: HDF5\nDescription: for arm64\nVersion: 1\nCflags: -I%s/usr/include/hdf5/serial\n" ..
    "Libs: -L/usr/lib/aarch64-linux-gnu -l:%s\n"):format(own, library))
  file:close()
end
if not has "hdf5" and campaign.has "apt-get" and campaign.has "dpkg" then unpack_hdf5() end
for _, name in ipairs { "lua5.4", "hdf5", "libedit", "libcjson", "libmd", "zlib", "libcurl", "cmocka" } do
  if not has(name) then
    campaign.skip(("no %s for arm64 (dpkg --add-architecture arm64, then its -dev:arm64 package)"):format(name))
  end
end

local function tests_of(folder)
  local list, pipe = {}, io.popen(("ls %s/tests/%s/*_test.c"):format(campaign.quote(sources), folder))
  for path in pipe:lines() do list[#list + 1] = ("%s/tests/%s/%s"):format(build, folder, path:match "([^/]*)%.c$") end
  pipe:close()
  return list
end
local tests = tests_of "c"
table.move(tests_of "kernels", 1, 1000, #tests + 1, tests)

-- The Makefile knows what is built below its own folder by names from there.
local targets = ((" " .. table.concat(tests, " ")):gsub(" " .. sources:gsub("%p", "%%%0") .. "/", " "))
local make = ("cd %s && %s %s --no-print-directory -j2 CC=aarch64-linux-gnu-gcc UNAME_M=aarch64 BUILD=%s all%s"):format(
  campaign.quote(sources), packages, os.getenv "MAKE" or "make", campaign.quote(build), targets)
local built = campaign.shell(make)
campaign.check(built.status == 0, "it does not build:\n%s", built.err:sub(-2000))

-- Loader and C library have to be of one version, or the first thread is never made: those beside the other libraries,
-- where they are. If there is no second thread nevertheless, everything runs on one, and what needs two is left out.
local installed = io.open "/lib/ld-linux-aarch64.so.1"
local prefix = installed and "" or "QEMU_LD_PREFIX=/usr/aarch64-linux-gnu"
local function emulated(limit, words, environment)
  return campaign.shell(("cd %s && %s CMOCKA_MESSAGE_OUTPUT=TAP %s timeout %d qemu-aarch64 %s"):format(
    campaign.quote(sources), prefix, environment or "", limit, words))
end
local program = campaign.quote(build .. "/perilune")
local two = emulated(60, program .. " -e 'pl.system.threads(2) local a = pl.rand(300, 300) " ..
  "print(a:matmul(a):size(1))'").status == 0
local threads = two and "" or "OMP_THREAD_LIMIT=1"
local need_two = { base_work_test = true, model_bits_test = true, store_file_test = true, store_tree_test = true,
  train_pace_test = true,
  tensor_threads_test = true, base_balance_test = true }

local passed, left_out, failures = 0, 0, {}
for _, path in ipairs(tests) do
  local name = path:match "[^/]*$"
  if not two and need_two[name] then
    print(("# SKIP %s: this emulator runs no second thread"):format(name))
    left_out = left_out + 1
  else
    local r = emulated(3600, campaign.quote(path), threads)
    if r.status ~= 0 then
      failures[#failures + 1] = ("%s ends with status %d:\n%s"):format(name, r.status, (r.out .. r.err):sub(-1500))
    end
    passed = passed + select(2, ("\n" .. r.out):gsub("\nok ", ""))
  end
end

campaign.check(#failures == 0, "%d of %d tests:\n%s", #failures, #tests, table.concat(failures, "\n"))

campaign.write("train.lua", [[
local pl = require "perilune"
local nn, optim = pl.nn, pl.optim
local digits = pl.data.digits { train = 300, test = 50 }
local function train(name, model, optimizer, more)
  local fields = { name = name, data = digits, model = model, loss = nn.CrossEntropy(), optimizer = optimizer,
    epochs = 2, batch_size = 32 }
  for key, value in pairs(more or {}) do fields[key] = value end
  pl.experiment(fields):run { out = false, quiet = true, silent = true }
  print(name, require "perilune.run.record".digest(model:state()))
end
train("dense", nn.Sequential { nn.Flatten(), nn.Linear(784, 30), nn.Tanh(), nn.Linear(30, 10) },
  optim.Adam { lr = 0.003 })
train("convolution", nn.Sequential { nn.Conv2d(1, 8, 5, { padding = "same" }), nn.ReLU(), nn.MaxPool2d(2),
  nn.Conv2d(8, 16, 5, { padding = "same" }),
  nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(784, 10) }, optim.SGD { lr = 0.05, momentum = 0.9 })
train("normalized", nn.Sequential { nn.Conv2d(1, 8, 3), nn.BatchNorm(8), nn.ReLU(), nn.Dropout(0.2),
  nn.GlobalAvgPool2d(), nn.Linear(8, 10) },
  optim.RMSprop { lr = 0.001 }, { augment = pl.augment.affine { chance = 0.5, rotate = 15, zoom = 0.1, shift = 0.1 },
    schedule = pl.schedule.cosine {} })
]])
local here = campaign.run "train.lua"
campaign.check(here.status == 0, "trainings on this machine: %s", here.err)
local there = emulated(3600, ("%s %s/train.lua"):format(program, campaign.quote(campaign.folder)), threads)
campaign.check(there.status == 0, "trainings on arm64 end with status %d: %s", there.status, there.err)
campaign.check(there.out == here.out, "other bits. Here:\n%sOn arm64:\n%s", here.out, there.out)
campaign.green("%d C tests%s; 3 trainings with the bits of this machine", passed,
  left_out > 0 and (" (%d programs that need threads left out: the emulator has none)"):format(left_out) or "")
