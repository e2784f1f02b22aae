--- The network of an exported page: JavaScript that runs a list of operations on Float32Arrays. Images are rows,
--- columns, channels, as in Perilune.
return require "perilune.export.html_tile" .. [=[
/* Layers whose outputs are sums of products, by tiles: op.panels is where the weights lie in memory, four outputs
   beside each other: [panel][inner][4], with zeros after the last output. */
const products = { Conv2d: true, Linear: true };

function innerOf(op, shape) {
  const channels = shape[shape.length - 1];
  return op.type === "Conv2d" ? op.window.kh * op.window.kw * channels : channels;
}

function putPanels(memory, at, weight, inner, outputs) {
  for (let o = 0; o < outputs; o++)
    for (let k = 0; k < inner; k++) memory[at + ((o >> 2) * inner + k) * 4 + (o & 3)] = weight[k * outputs + o];
}

/* The image that a convolution reads, zeros around it. */
function frameOf(op, shape) {
  if (op.type !== "Conv2d") return [1, count(shape) / shape[shape.length - 1], shape[shape.length - 1]];
  const v = op.window;
  return [(op.shape[0] - 1) * v.sy + v.kh, (op.shape[1] - 1) * v.sx + v.kw, shape[2]];
}

function putFrame(memory, at, x, shape, [ph, pw, channels], top, left) {
  const [h, w] = shape, length = Math.min(w, pw - left) * channels;
  memory.fill(0, at, at + ph * pw * channels);
  for (let r = 0; r < Math.min(h, ph - top); r++)
    memory.set(x.subarray(r * w * channels, r * w * channels + length), at + ((r + top) * pw + left) * channels);
}

/* A row of pixels: y[at + pixel outputs + o]; the pixels' first values are `step` apart from `first` on. */
function row(net, op, y, at, first, step, pixels, kh, segment, line, outputs, bias) {
  const { floats, tile } = net.tiles, inner = kh * segment;
  for (let o = 0; o < outputs; o += 4) {
    const n = Math.min(4, outputs - o);
    for (let i = 0; i < pixels; i += 4) {
      const m = Math.min(4, pixels - i), x = first + i * step, skip = line - segment;
      for (let j = 0; j < 4; j++) floats[j] = bias && j < n ? bias[o + j] : 0;
      tile(x, x + step * Math.min(1, m - 1), x + step * Math.min(2, m - 1), x + step * (m - 1), op.panels + o * inner,
           kh, segment, skip, 0);
      for (let r = 0; r < m; r++)
        for (let j = 0; j < n; j++) y[at + (i + r) * outputs + o + j] = floats[4 * r + j];
    }
  }
}

const count = shape => shape.reduce((a, b) => a * b, 1);

/* Visits the pixels inside the window of each output: f(index of the output, indices of pixels). */
function windows(op, shape, each) {
  const [h, w, channels] = shape, [oh, ow] = op.shape, v = op.window;
  for (let oy = 0, at = 0; oy < oh; oy++) for (let ox = 0; ox < ow; ox++) for (let c = 0; c < channels; c++, at++) {
    const inside = [];
    for (let y = oy * v.sy - v.top; y < oy * v.sy - v.top + v.kh; y++)
      for (let x = ox * v.sx - v.left; x < ox * v.sx - v.left + v.kw; x++)
        if (y >= 0 && y < h && x >= 0 && x < w) inside.push((y * w + x) * channels + c);
    each(at, inside);
  }
}

function erf(x) {            /* Abramowitz and Stegun 7.1.26, error below 1.5e-7 */
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const y = 1 - ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t
    * Math.exp(-x * x);
  return x < 0 ? -y : y;
}

const each = f => (op, x) => x[0].map(v => f(v, op.options));
const rows = f => (op, x) => {
  const n = op.shape[op.shape.length - 1], y = new Float32Array(x[0].length);
  for (let at = 0; at < y.length; at += n) f(y.subarray(at, at + n), x[0].subarray(at, at + n));
  return y;
};

function softmax(y, x) {
  const most = Math.max(...x);
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += y[i] = Math.exp(x[i] - most);
  for (let i = 0; i < x.length; i++) y[i] /= sum;
}

const sigmoid = v => 1 / (1 + Math.exp(-v));

/* f(op, inputs, their shapes, weights by name, network) -> the output */
const operations = {
  Constant(op, x, shapes, w) { return w.value; },
  Formula(op, x) {                       /* the functions of this network's formulas stand behind this */
    const y = new Float32Array(count(op.shape));
    formulas[op.code](y, ...x);
    return y;
  },
  Conv2d(op, x, shapes, w, net) {
    const [oh, ow, outputs] = op.shape, v = op.window, frame = frameOf(op, shapes[0]), line = frame[1] * frame[2];
    const y = new Float32Array(oh * ow * outputs), perPosition = w.bias && w.bias.length > outputs;
    putFrame(net.tiles.floats, net.scratch, x[0], shapes[0], frame, v.top, v.left);
    for (let r = 0; r < oh; r++)
      row(net, op, y, r * ow * outputs, net.scratch + r * v.sy * line, v.sx * frame[2], ow, v.kh, v.kw * frame[2], line,
          outputs, perPosition ? null : w.bias);
    if (perPosition) for (let i = 0; i < y.length; i++) y[i] += w.bias[i];
    return y;
  },
  Linear(op, x, shapes, w, net) {
    const inner = innerOf(op, shapes[0]), outputs = op.shape[op.shape.length - 1], pixels = x[0].length / inner;
    const y = new Float32Array(pixels * outputs);
    net.tiles.floats.set(x[0], net.scratch);
    row(net, op, y, 0, net.scratch, inner, pixels, 1, inner, inner, outputs, w.bias);
    return y;
  },
  MaxPool2d(op, x, shapes) {
    const y = new Float32Array(count(op.shape));
    windows(op, shapes[0], (at, inside) => { y[at] = inside.reduce((m, i) => Math.max(m, x[0][i]), -Infinity); });
    return y;
  },
  AvgPool2d(op, x, shapes) {
    const y = new Float32Array(count(op.shape)), all = op.window.kh * op.window.kw;
    windows(op, shapes[0], (at, inside) => {
      y[at] = inside.reduce((sum, i) => sum + x[0][i], 0) / (op.options.count_include_pad ? all : inside.length);
    });
    return y;
  },
  GlobalAvgPool2d(op, x, shapes) {
    const n = op.shape[0], y = new Float64Array(n), pixels = x[0].length / n;
    x[0].forEach((v, i) => { y[i % n] += v; });
    return Float32Array.from(y, v => v / pixels);
  },
  BatchNorm(op, x, shapes, w) {
    const n = op.shape[op.shape.length - 1];
    return x[0].map((v, i) => v * w.scale[i % n] + w.shift[i % n]);
  },
  Flatten: (op, x) => x[0],
  Reshape: (op, x) => x[0],
  Add: (op, x) => x.length === 1 ? x[0] : x[0].map((v, i) => v + x[1][i]),
  ReLU: each(v => v < 0 ? 0 : v),
  LeakyReLU: each((v, o) => v > 0 ? v : o.slope * v),
  ELU: each((v, o) => v > 0 ? v : o.alpha * Math.expm1(v)),
  Tanh: each(Math.tanh),
  Sigmoid: each(sigmoid),
  SiLU: each(v => v * sigmoid(v)),
  Mish: each(v => v * Math.tanh(v > 20 ? v : Math.log1p(Math.exp(v)))),
  GELU: each((v, o) => 0.5 * v * (1 + (o.approximate === "tanh"
    ? Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v * v * v)) : erf(v * Math.SQRT1_2)))),
  Softmax: rows(softmax),
  LogSoftmax: rows((y, x) => { softmax(y, x); for (let i = 0; i < y.length; i++) y[i] = Math.log(y[i]); }),
};

class Network {
  /* about: { input (a shape), ops: [{ type, inputs (0 the input, k the output of operation k), shape, window, options,
     weights: { name: [first, count] } }], output }; weights: one Float32Array. */
  constructor(about, weights) {
    this.about = about;
    this.weights = about.ops.map(op => {
      const own = {};
      for (const name in op.weights) {
        const [first, n] = op.weights[name];
        own[name] = weights.subarray(first, first + n);
      }
      return own;
    });
    this.place();
  }
  /* Memory: a tile's outputs, the panels, and room for the largest image that a product reads. */
  place() {
    const ops = this.about.ops, shapes = [this.about.input, ...ops.map(op => op.shape)];
    let at = 16, most = 0;
    for (const op of ops) if (products[op.type]) {
      const shape = shapes[op.inputs[0]];
      op.panels = at;
      at += 4 * Math.ceil(op.shape[op.shape.length - 1] / 4) * innerOf(op, shape);
      most = Math.max(most, count(frameOf(op, shape)));
    }
    this.scratch = at;
    this.tiles = tiles(at + most);
    ops.forEach((op, i) => {
      if (products[op.type]) putPanels(this.tiles.floats, op.panels, this.weights[i].weight,
        innerOf(op, shapes[op.inputs[0]]), op.shape[op.shape.length - 1]);
    });
  }
  /* All values: the input, and the output of each operation. */
  run(x) {
    const values = [x], shapes = [this.about.input];
    this.about.ops.forEach((op, i) => {
      const inputs = op.inputs.map(k => values[k]);
      values.push(operations[op.type](op, inputs, op.inputs.map(k => shapes[k]), this.weights[i], this));
      shapes.push(op.shape);
    });
    return values;
  }
}
]=]
