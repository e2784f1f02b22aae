--- Colours by role, for light and for dark paper. The series' colours are those of Okabe and Ito (2008), which people
--- with any common colour blindness can tell apart; the ninth series has the first colour again, dashed.
local M = { series = 8 }

M.light = {
  ink = "#1b1f24", muted = "#5b6470", grid = "#e2e5e9", paper = "#ffffff", on = "#ffffff", block = "#f3f5f7",
  c1 = "#0072b2", c2 = "#d55e00", c3 = "#009e73", c4 = "#cc79a7", c5 = "#e69f00", c6 = "#56b4e9", c7 = "#7a6a00",
    c8 = "#6b6b6b",
}
M.dark = {
  ink = "#e6e9ed", muted = "#9aa4b0", grid = "#30363d", paper = "#15181c", on = "#0d1014", block = "#1f242a",
  c1 = "#5ab4f0", c2 = "#ff8a3d", c3 = "#2fc79a", c4 = "#e79cc4", c5 = "#f0b93a", c6 = "#8fd0f7", c7 = "#d9c84a",
    c8 = "#a8a8a8",
}

--- Colour and dash of the i-th series.
function M.of(i)
  return "c" .. (i - 1) % M.series + 1, ({ nil, "6 3", "2 2", "8 3 2 3" })[(i - 1) // M.series % 4 + 1]
end

return M
