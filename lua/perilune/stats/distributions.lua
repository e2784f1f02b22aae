--- Distributions of statistics, accurate to about 1e-12: Student's t by the incomplete beta function, the binomial at
--- 1/2.
local M = {}

-- Lanczos' approximation of ln Gamma(x), x > 0, with g = 7 and nine coefficients.
local lanczos = { 0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
  12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7 }

function M.log_gamma(x)
  if x < 0.5 then return math.log(math.pi / math.sin(math.pi * x)) - M.log_gamma(1 - x) end
  local sum, t = lanczos[1], x + 6.5
  for i = 1, 8 do sum = sum + lanczos[i + 1] / (x - 1 + i) end
  return 0.5 * math.log(2 * math.pi) + (x - 0.5) * math.log(t) - t + math.log(sum)
end

-- The continued fraction of I_x(a, b), by Lentz's method; converges fast for x < (a + 1) / (a + b + 2).
local function beta_fraction(x, a, b)
  local tiny = 1e-300
  local c, d = 1, 1 - (a + b) * x / (a + 1)
  d = 1 / (math.abs(d) < tiny and tiny or d)
  local h = d
  for m = 1, 500 do
    for _, term in ipairs { m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
      -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)) } do
      d = 1 + term * d
      d = 1 / (math.abs(d) < tiny and tiny or d)
      c = 1 + term / c
      c = math.abs(c) < tiny and tiny or c
      h = h * c * d
    end
    if math.abs(c * d - 1) < 1e-16 then break end
  end
  return h
end

--- The regularized incomplete beta function I_x(a, b).
function M.incomplete_beta(x, a, b)
  if x <= 0 then return 0.0 elseif x >= 1 then return 1.0 end
  local front = math.exp(M.log_gamma(a + b) - M.log_gamma(a) - M.log_gamma(b) + a * math.log(x) + b * math.log(1 - x))
  if x < (a + 1) / (a + b + 2) then return front * beta_fraction(x, a, b) / a end
  return 1 - front * beta_fraction(1 - x, b, a) / b
end

--- P(T <= t) for Student's t with `df` degrees of freedom.
function M.t_cdf(t, df)
  local tail = 0.5 * M.incomplete_beta(df / (df + t * t), df / 2, 0.5)
  return t > 0 and 1 - tail or tail
end

--- The t with P(T <= t) = p, by bisection.
function M.t_quantile(p, df)
  if p < 0.5 then return -M.t_quantile(1 - p, df) end
  local low, high = 0.0, 1.0
  while M.t_cdf(high, df) < p and high < 1e15 do high = 2 * high end
  for _ = 1, 200 do
    local middle = 0.5 * (low + high)
    if middle == low or middle == high then break end
    if M.t_cdf(middle, df) < p then low = middle else high = middle end
  end
  return 0.5 * (low + high)
end

--- P(X <= k) for X binomial with n trials at 1/2.
function M.binomial_half_cdf(k, n)
  local log_half, sum = n * math.log(0.5), 0.0
  for i = 0, k do sum = sum + math.exp(M.log_gamma(n + 1) - M.log_gamma(i + 1) - M.log_gamma(n - i + 1) + log_half) end
  return math.min(1.0, sum)
end

return M
