--- raise(format, ...): an error that begins with the file and line of the user's code.
return require "perilune.errors".raise
