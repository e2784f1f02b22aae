-- Copies the state of a training by hand: the weights of model `a` to those of `b`, what its optimizer keeps to that of
-- `b`'s, bound already; the optimizers' tensors have the same names.
local lu = require "luaunit"

return function(a, optimizer_a, b, optimizer_b)
  for i, entry in ipairs(a:state()) do b:state()[i].tensor:copy_(entry.tensor) end
  for i, entry in ipairs(optimizer_a:state()) do
    lu.assertEquals(optimizer_b:state()[i].name, entry.name)
    optimizer_b:state()[i].tensor:copy_(entry.tensor)
  end
  optimizer_b:set_counters(optimizer_a:counters())
end
