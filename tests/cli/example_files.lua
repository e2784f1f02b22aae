-- The files that examples of help read: arrays of NumPy, tables, a folder of pictures.
local cli = dofile "tests/cli/support.lua"

local function npy(dtype, shape, bytes)
  local header = ("{'descr': '%s', 'fortran_order': False, 'shape': (%s,), }"):format(dtype, table.concat(shape, ", "))
  header = header .. (" "):rep(-(10 + #header + 1) % 64) .. "\n"
  return "\x93NUMPY\1\0" .. string.pack("<s2", header) .. bytes
end

local function crc32(bytes)
  local crc = 0xffffffff
  for i = 1, #bytes do
    crc = crc ~ bytes:byte(i)
    for _ = 1, 8 do crc = crc & 1 == 1 and crc >> 1 ~ 0xedb88320 or crc >> 1 end
  end
  return crc ~ 0xffffffff
end

-- An archive of stored members: { name, bytes } each.
local function zip(members)
  local files, directory, at = {}, {}, 0
  for _, m in ipairs(members) do
    local fields = string.pack("<I2I2I2I2I2I4I4I4I2I2", 20, 0, 0, 0, 0, crc32(m[2]), #m[2], #m[2], #m[1], 0)
    local file = "PK\3\4" .. fields .. m[1] .. m[2]
    directory[#directory + 1] = "PK\1\2" .. string.pack("<I2", 20) .. fields
      .. string.pack("<I2I2I2I4I4", 0, 0, 0, 0, at) .. m[1]
    files[#files + 1], at = file, at + #file
  end
  local index = table.concat(directory)
  return table.concat(files) .. index
    .. "PK\5\6" .. string.pack("<I2I2I2I2I4I4I2", 0, 0, #members, #members, #index, at, 0)
end

local function bytes(n)
  local t = {}
  for i = 1, n do t[i] = string.char(i * 37 % 251) end
  return table.concat(t)
end

return function()
  local images, labels = npy("|u1", { 20, 4, 4 }, bytes(320)), npy("|u1", { 20 }, ("\0\1"):rep(10))
  cli.write("mnist.npz", zip { { "x_train.npy", images }, { "y_train.npy", labels }, { "x_test.npy", images },
    { "y_test.npy", labels } })
  local features, prices = {}, {}
  for i = 1, 60 do features[i] = string.pack("<f", i / 7) end
  for i = 1, 20 do prices[i] = string.pack("<d", i * 1.5) end
  cli.write("features.npy", npy("<f4", { 20, 3 }, table.concat(features)))
  cli.write("prices.npy", npy("<f8", { 20 }, table.concat(prices)))
  local iris, houses = { "length,width,species" }, { "id,rooms,price" }
  for i = 1, 20 do
    iris[#iris + 1] = ("%.1f,%.1f,%s"):format(4 + i % 7 / 3, 2 + i % 5 / 4, i % 2 == 0 and "setosa" or "virginica")
    houses[#houses + 1] = ("%d,%s,%d"):format(i, i == 3 and "" or i % 6, i * 1000)
  end
  cli.write("iris.csv", table.concat(iris, "\n") .. "\n")
  cli.write("houses.csv", table.concat(houses, "\n") .. "\n")
  local picture = assert(cli.read "tests/golden/readers/rgb.png")
  for i = 1, 10 do
    cli.write(("photos/cat/%02d.png"):format(i), picture)
    cli.write(("photos/dog/%02d.png"):format(i), picture)
  end
end
