---@meta perilune.system

---The machine, and elementary functions with fixed bits. `pl.system`.
---@class perilune.system
local system = {}

---The version of Perilune, for instance "0.1.0".
---@return string version
function system.version() end

---The processor's name and the kernels in use for it: "baseline", "avx2", "avx512" or "neon". The environment
---variable PERILUNE_ISA chooses others.
---@return string name
---@return string isa
function system.processor() end

---The compiler that built the program.
---@return string name
function system.compiler() end

---How many threads work. Results do not depend on it, to the last bit.
---@param n? integer from now on use so many, up to 1024; 0: as many as OMP_NUM_THREADS says, or cores
---  (default: no change)
---@return integer threads in use
function system.threads(n) end

---Memory held for tensors, models and data.
---@return integer live bytes held now
---@return integer peak the most bytes held so far
function system.memory() end

---From now on refuse to hold more memory than this; what would exceed it is an error.
---@param bytes integer 0: no limit
function system.memory_limit(bytes) end

---Seconds on a clock that never goes backwards; only differences have a meaning.
---@return number seconds
function system.clock() end

---Is the file descriptor (0: input, 1: output, 2: errors) a terminal?
---@param descriptor integer
---@return boolean terminal
function system.isatty(descriptor) end

---The width in characters of the terminal behind the file descriptor; nil when it is none.
---@param descriptor integer
---@return integer? columns
function system.columns(descriptor) end

---e to the power of x; the same bits on every machine.
---@param x number
---@return number value
function system.exp(x) end

---The natural logarithm; the same bits on every machine.
---@param x number
---@return number value
function system.log(x) end

---The sine of x radians; the same bits on every machine.
---@param x number
---@return number value
function system.sin(x) end

---The cosine of x radians; the same bits on every machine.
---@param x number
---@return number value
function system.cos(x) end

---The hyperbolic tangent; the same bits on every machine.
---@param x number
---@return number value
function system.tanh(x) end

---x to the power of y; the same bits on every machine.
---@param x number
---@param y number
---@return number value
function system.pow(x, y) end

---A random number in [0, 1) that is a function of its arguments alone (Philox4x32-10).
---@param seed integer
---@param purpose integer separates the streams of one seed
---@param a integer a stream of its own for each a and b
---@param b integer
---@param index integer place in the stream
---@return number value
function system.random(seed, purpose, a, b, index) end
