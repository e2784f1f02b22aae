--- What an exported page does: takes strokes, centres and scales them as MNIST's digits were, runs the network, and
--- shows its outputs.
return [=[
const about = JSON.parse(document.getElementById("about").textContent);
const bytes = Uint8Array.from(atob(document.getElementById("weights").textContent.trim()), c => c.charCodeAt(0));
const network = new Network(about, new Float32Array(bytes.buffer));
const [FIELD_H, FIELD_W] = about.field, SCALE = 10;

/* ---- from strokes to a sample ---- */

/* The ink in a box of 20 of 28 pixels, its centre of mass in the middle (LeCun's preparation of MNIST). */
function centred(ink, width, height) {
  let left = width, right = -1, top = height, bottom = -1;
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) if (ink[y * width + x] > 0.1) {
    left = Math.min(left, x); right = Math.max(right, x); top = Math.min(top, y); bottom = Math.max(bottom, y);
  }
  const out = new Float32Array(FIELD_H * FIELD_W);
  if (right < 0) return out;
  const w = right - left + 1, h = bottom - top + 1, zoom = Math.min(FIELD_H, FIELD_W) * 20 / 28 / Math.max(w, h);
  const ow = Math.max(1, Math.round(w * zoom)), oh = Math.max(1, Math.round(h * zoom));
  const small = new Float32Array(ow * oh);
  let sum = 0, sumX = 0, sumY = 0;
  for (let y = 0; y < oh; y++) for (let x = 0; x < ow; x++) {
    const v = meanOf(ink, width, left + x * w / ow, left + (x + 1) * w / ow, top + y * h / oh, top + (y + 1) * h / oh);
    small[y * ow + x] = v;
    sum += v; sumX += v * x; sumY += v * y;
  }
  const dx = Math.round((FIELD_W - 1) / 2 - sumX / sum), dy = Math.round((FIELD_H - 1) / 2 - sumY / sum);
  for (let y = 0; y < oh; y++) for (let x = 0; x < ow; x++) {
    const ty = y + dy, tx = x + dx;
    if (ty >= 0 && ty < FIELD_H && tx >= 0 && tx < FIELD_W) out[ty * FIELD_W + tx] = Math.min(1, small[y * ow + x]);
  }
  return out;
}

/* The mean over a rectangle whose sides lie between pixels. */
function meanOf(ink, width, x0, x1, y0, y1) {
  let sum = 0, area = 0;
  for (let y = Math.floor(y0); y < y1; y++) {
    const dy = Math.min(y + 1, y1) - Math.max(y, y0);
    for (let x = Math.floor(x0); x < x1; x++) {
      const a = dy * (Math.min(x + 1, x1) - Math.max(x, x0));
      sum += a * ink[y * width + x]; area += a;
    }
  }
  return sum / area;
}

function resized(image, h, w, oh, ow) {
  const out = new Float32Array(oh * ow);
  const tap = (o, n, m) => {
    const s = Math.min(Math.max((o + 0.5) * m / n - 0.5, 0), m - 1), low = Math.floor(s);
    return [low, Math.min(low + 1, m - 1), s - low];
  };
  for (let y = 0; y < oh; y++) for (let x = 0; x < ow; x++) {
    const [a, b, v] = tap(y, oh, h), [c, d, u] = tap(x, ow, w);
    const top = image[a * w + c] + (image[a * w + d] - image[a * w + c]) * u;
    const bottom = image[b * w + c] + (image[b * w + d] - image[b * w + c]) * u;
    out[y * ow + x] = top + (bottom - top) * v;
  }
  return out;
}

/* What the experiment did to its data. */
function prepared(image) {
  let h = FIELD_H, w = FIELD_W;
  for (const step of about.steps) {
    if (step.invert) image = image.map(v => 1 - v);
    else if (step.resize) {
      image = resized(image, h, w, step.resize[0], step.resize[1]);
      [h, w] = step.resize;
    } else {
      image = image.map((v, i) => {
        const centre = step.mean ? v - step.mean[i % step.mean.length] : v;
        return step.std ? centre / step.std[i % step.std.length] : centre;
      });
    }
  }
  return image;
}

/* ---- from outputs to a label and probabilities ---- */

function decide(y) {
  if (y.some(v => v !== v)) return -1;
  if (y.length === 1) return +(y[0] > about.threshold);
  return y.reduce((best, v, i) => v > y[best] ? i : best, 0);
}

function probabilities(y) {
  const p = new Float32Array(y.length);
  if (about.outputs === "logits" && y.length > 1) softmax(p, y);
  else p.set(about.outputs === "probabilities" ? y : about.outputs === "log-probabilities" ? y.map(Math.exp)
    : about.outputs === "values" ? y : y.map(sigmoid));
  return y.length > 1 || about.outputs === "values" ? p : Float32Array.of(1 - p[0], p[0]);
}

/* The outputs for an image of the field, values in [0, 1]: { label, outputs, probabilities, values }. */
function predict(image) {
  const values = network.run(prepared(image)), outputs = values[about.output];
  return { label: decide(outputs), outputs, probabilities: probabilities(outputs), values };
}

/* ---- the page ---- */

const pad = document.getElementById("pad"), pen = pad.getContext("2d", { willReadFrequently: true });
pad.width = FIELD_W * SCALE; pad.height = FIELD_H * SCALE;
const [seen, answer, rate] = ["seen", "answer", "rate"].map(id => document.getElementById(id));
pad.style.aspectRatio = FIELD_W / FIELD_H;
seen.style.height = 84 * FIELD_H / FIELD_W + "px";

function grey(canvas, width, height, pixel) {
  const image = new ImageData(width, height);
  for (let y = 0, i = 0; y < height; y++) for (let x = 0; x < width; x++, i += 4) {
    image.data[i] = image.data[i + 1] = image.data[i + 2] = pixel(y, x);
    image.data[i + 3] = 255;
  }
  canvas.width = width; canvas.height = height;
  canvas.getContext("2d").putImageData(image, 0, 0);
}

/* A canvas a layer: the channels of an image beside each other, or values in rows. */
function show(canvas, shape, values) {
  let low = Infinity, high = -Infinity;
  for (const v of values) { low = Math.min(low, v); high = Math.max(high, v); }
  const level = v => high > low ? 255 * (v - low) / (high - low) : 0;
  if (shape.length === 3) {
    const [h, w, n] = shape, across = Math.min(n, Math.max(1, Math.floor(240 / (w + 1)))), down = Math.ceil(n / across);
    grey(canvas, across * (w + 1) - 1, down * (h + 1) - 1, (y, x) => {
      const c = Math.floor(y / (h + 1)) * across + Math.floor(x / (w + 1)), r = y % (h + 1), q = x % (w + 1);
      return r < h && q < w && c < n ? level(values[(r * w + q) * n + c]) : 128;
    });
  } else {
    const n = values.length, across = Math.min(n, 64);
    grey(canvas, across, Math.ceil(n / across), (y, x) => y * across + x < n ? level(values[y * across + x]) : 128);
  }
}

const layers = about.ops.map((op, i) => {
  if (!op.shown) return null;
  const figure = document.createElement("figure"), canvas = document.createElement("canvas");
  const caption = document.createElement("figcaption");
  caption.textContent = op.label + "  " + op.shape.join(" x ");
  figure.append(caption, canvas);
  document.getElementById("layers").append(figure);
  return canvas;
});

const bars = about.names.map(name => {
  const row = document.createElement("div"), label = document.createElement("span"), bar = document.createElement("i");
  const value = document.createElement("b"), track = document.createElement("u");
  label.textContent = label.title = name;
  track.append(bar);
  row.append(label, track, value);
  document.getElementById("bars").append(row);
  return { row, bar, value };
});

function update() {
  const data = pen.getImageData(0, 0, pad.width, pad.height).data, ink = new Float32Array(pad.width * pad.height);
  for (let i = 0; i < ink.length; i++) ink[i] = data[4 * i + 3] / 255;
  const image = centred(ink, pad.width, pad.height), start = performance.now(), result = predict(image);
  const took = performance.now() - start;
  grey(seen, FIELD_W, FIELD_H, (y, x) => 255 * image[y * FIELD_W + x]);
  const drawn = image.some(v => v > 0);
  const value = about.names.length === 1 ? result.outputs[0].toPrecision(6) : about.names[result.label] ?? "?";
  answer.textContent = drawn ? value : "";
  rate.textContent = "one pass: " + took.toFixed(1) + " ms";
  bars.forEach((bar, i) => {
    const p = result.probabilities[i];
    bar.bar.style.width = 100 * Math.min(1, Math.max(0, drawn ? p : 0)) + "%";
    bar.value.textContent = !drawn ? "" : about.outputs === "values" ? p.toPrecision(3) : (100 * p).toFixed(1) + " %";
    bar.row.className = drawn && i === result.label ? "most" : "";
  });
  layers.forEach((canvas, i) => { if (canvas) show(canvas, about.ops[i].shape, result.values[i + 1]); });
  return result;
}

let waiting = false, last = null;
function later() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; update(); });
}
function place(event) {
  const box = pad.getBoundingClientRect();
  return [(event.clientX - box.left) * pad.width / box.width, (event.clientY - box.top) * pad.height / box.height];
}
function stroke(event) {
  const now = place(event);
  pen.lineWidth = 2.1 * SCALE; pen.lineCap = pen.lineJoin = "round";
  pen.beginPath(); pen.moveTo(...last); pen.lineTo(...now); pen.stroke();
  last = now;
  later();
}
pad.addEventListener("pointerdown", event => {
  if (event.button > 0) return;
  event.preventDefault();
  try { pad.setPointerCapture(event.pointerId); } catch { /* a pointer that has gone already */ }
  last = place(event);
  stroke(event);
});
pad.addEventListener("pointermove", event => {
  if (last) for (const e of event.getCoalescedEvents?.().length ? event.getCoalescedEvents() : [event]) stroke(e);
});
for (const end of ["pointerup", "pointercancel"]) pad.addEventListener(end, () => { last = null; });
function clear() {
  pen.clearRect(0, 0, pad.width, pad.height);
  last = null;
  update();
}
document.getElementById("clear").addEventListener("click", clear);
addEventListener("keydown", event => { if (event.key === "Escape" || event.key === "Delete") clear(); });
update();
]=]
