---@meta perilune.store

---Saves a table of tensors in an HDF5 file. Numbers, strings and booleans are saved too; nested tables become groups.
---The file is written beside the old one and then takes its place: a failed save changes nothing. Error: the file
---cannot be written (pcall catches it).
---
---```lua
---pl.save("x.h5", { weight = w, scale = 0.5, layer = { bias = b } })
---```
---@param path string
---@param values table named tensors, numbers, strings, booleans, or tables of them
---@return true
function pl.save(path, values) end

---What `pl.save` saved. A damaged file is a message, never other values. A run's file can be loaded so as well, to look
---into it. `{ foreign = true }` reads HDF5 files of other programs; nothing proves that those are whole,
---and what in them cannot become a tensor (lists of strings, compounds) is left out.
---
---```lua
---local t = assert(pl.load "x.h5")
---print(t.layer.bias)
---```
---@param path string
---@param options? { foreign: boolean }
---@return table? values nil and a message when the file cannot be read or is damaged
---@return (string|table)? message of a foreign file: what was left out, path -> why
function pl.load(path, options) end

---Files: HDF5 trees that prove themselves, and plain files. `pl.store`.
---
---A file written here begins with 512 bytes that hold the SHA-256 of the rest; h5py and h5dump read it as any HDF5
---file. What the system refuses, and what a file lacks, is nil and a message.
---
---```lua
---local w = assert(pl.store.create "notes.h5")
---w:group("/a", { made = "today", rate = 0.1 })
---w:tensor("/a/x", pl.ones(3)):numbers("/a/losses", { 0.5, 0.25 })
---assert(w:commit())
---local r <close> = assert(pl.store.open "notes.h5")
---print(r:attrs("/a").rate, r:tensor "/a/x")
---```
---@class perilune.store
local store = {}

---Begins a file. Nothing is written before `commit`.
---@param path string
---@return perilune.store.writer? writer nil and a message when there is no HDF5 library
---@return string? message
function store.create(path) end

---Opens a file: reads it once, checks its SHA-256, and only then looks at what is in it.
---@param path string
---@param options? { foreign: boolean } true: also HDF5 files of other programs, unproven
---@return perilune.store.reader? reader nil and a message when the file cannot be read or is damaged
---@return string? message
function store.open(path, options) end

---Reads all that is in a file and checks it.
---@param path string
---@return boolean? whole nil and a message that says what is wrong
---@return string? message
function store.verify(path) end

---Replaces a file by a text, at once and durably.
---@param path string
---@param text string
---@return boolean? ok nil and a message; then an earlier file is as it was
---@return string? message
function store.write_text(path, text) end

---A whole file as a string.
---@param path string
---@return string? text
---@return string? message
function store.read_text(path) end

---Appends a line, with one write; the newline is put if it is missing. For logs.
---@param path string
---@param line string
---@return boolean? ok
---@return string? message
function store.append(path, line) end

---Makes a folder and those above it. No error if it is there.
---@param path string
---@return boolean? ok
---@return string? message
function store.mkdir(path) end

---Removes a file. No error if it is not there.
---@param path string
---@return boolean? ok
---@return string? message
function store.remove(path) end

---Is there something of that name?
---@param path string
---@return "file"|"folder"|"other"|nil
function store.exists(path) end

---The names in a folder, sorted.
---@param path string
---@return string[]? names
---@return string? message
function store.listdir(path) end

---The SHA-256 of the bytes of strings and tensors, one after another, as 64 hexadecimal digits.
---@param ... string|perilune.Tensor
---@return string digest
function store.sha256(...) end

---Locks a file, made for it, so that no other process (and no other lock of this one) holds it too. The system frees
---the lock when the process ends, however it ends; a `local lock <close> = ...` when its block does.
---@param path string
---@return perilune.store.lock? lock nil and a message that names the process which holds it
---@return string? message
function store.lock(path) end

---The version of the HDF5 library.
---@return string? version
---@return string? message
function store.library() end

---A file that is being written. Paths are "/a/b"; groups on the way are made. Members keep their order. Every method
---but `commit` and `discard` returns the writer. Error: a path that is there already, that leads through a dataset or
---has an empty name; a value that cannot be saved.
---@class perilune.store.writer
local Writer = {}

---Makes a group, with attributes.
---@param path string
---@param attributes? table<string, number|string|boolean> (default: none)
---@return perilune.store.writer
function Writer:group(path, attributes) end

---Gives a group or dataset an attribute.
---@param path string
---@param name string
---@param value number|string|boolean whole numbers are saved as 64-bit integers, others as doubles
---@return perilune.store.writer
function Writer:attr(path, name, value) end

---An attribute that is a list of texts.
---@param path string
---@param name string
---@param list string[]
---@return perilune.store.writer
function Writer:texts(path, name, list) end

---A tensor as a dataset.
---@param path string
---@param tensor perilune.Tensor
---@param gzip? integer level of compression from 1 to 9 (default 0: none)
---@return perilune.store.writer
function Writer:tensor(path, tensor, gzip) end

---A list of numbers as a dataset.
---@param path string
---@param list number[]
---@param kind? "f64"|"i64" (default "i64" if all are integers, else "f64")
---@param shape? integer[] (default one axis); the numbers are in row order
---@return perilune.store.writer
function Writer:numbers(path, list, kind, shape) end

---A text, however long.
---@param path string
---@param text string may not end with a zero byte
---@return perilune.store.writer
function Writer:text(path, text) end

---Makes a dataset an HDF5 dimension scale.
---@param path string
---@param name string of the dimension
---@return perilune.store.writer
function Writer:scale(path, name) end

---Writes the file and puts it in the place of an earlier one.
---@return boolean? ok nil and a message; then an earlier file is as it was
---@return string? message
function Writer:commit() end

---Drops what was not committed. Also what happens when a writer goes out of scope.
function Writer:discard() end

---A file that is being read: as it was when it was opened, whatever happens to it on disk. What is not there, damaged
---or of another kind is nil and a message.
---@class perilune.store.reader
local Reader = {}

---Names of the members of a group, in order of creation.
---@param path? string (default "/")
---@return string[]? names
---@return string? message
function Reader:list(path) end

---The attributes of a group or dataset.
---@param path? string (default "/")
---@return table<string, number|string|boolean>? attributes
---@return string? message
function Reader:attrs(path) end

---What is there: "group", or the type of a dataset's elements ("f32", "u8", "i32", "f64", "i64", "text") and its shape.
---@param path string
---@return string? kind nil and a message when there is nothing
---@return integer[]|string shape
function Reader:info(path) end

---A dataset as a tensor: f32 (doubles are rounded), u8 or i32 (64-bit integers if each fits).
---@param path string
---@return perilune.Tensor? tensor
---@return string? message
function Reader:tensor(path) end

---A dataset as a list of numbers in row order, exactly.
---@param path string
---@return number[]? numbers
---@return integer[]|string shape
function Reader:numbers(path) end

---A text.
---@param path string
---@return string? text
---@return string? message
function Reader:text(path) end

---Is there a group or dataset of that path?
---@param path string
---@return boolean
function Reader:has(path) end

---The SHA-256 by which the file proved itself; "" for a file of another program.
---@return string digest
function Reader:digest() end

---Frees the file's memory. Also what happens when a reader goes out of scope.
function Reader:close() end

---A lock that is held.
---@class perilune.store.lock
local Lock = {}

---Lets go, and removes the file.
function Lock:release() end
