--- The inner loop of an exported page, four pixels by four outputs: in WebAssembly with vectors where the browser has
--- them, else in JavaScript. The module is put together here, instruction by instruction, since a page loads nothing.
return [=[
"use strict";
/* tile(x0, x1, x2, x3, w, kh, segment, skip, out): for pixels i and outputs j, with values counted from the start,
   out[4 i + j] = out[j] + sum over ky < kh, k < segment of xi[ky (segment + skip) + k] w[4 (ky segment + k) + j] */
function tileInJavaScript(m) {
  return (x0, x1, x2, x3, w, kh, segment, skip, out) => {
    let c00 = m[out], c01 = m[out + 1], c02 = m[out + 2], c03 = m[out + 3], c10 = c00, c11 = c01, c12 = c02, c13 = c03;
    let c20 = c00, c21 = c01, c22 = c02, c23 = c03, c30 = c00, c31 = c01, c32 = c02, c33 = c03;
    for (let ky = 0; ky < kh; ky++) {
      for (let k = 0; k < segment; k++, w += 4) {
        const w0 = m[w], w1 = m[w + 1], w2 = m[w + 2], w3 = m[w + 3];
        const a = m[x0 + k], b = m[x1 + k], c = m[x2 + k], d = m[x3 + k];
        c00 += a * w0; c01 += a * w1; c02 += a * w2; c03 += a * w3;
        c10 += b * w0; c11 += b * w1; c12 += b * w2; c13 += b * w3;
        c20 += c * w0; c21 += c * w1; c22 += c * w2; c23 += c * w3;
        c30 += d * w0; c31 += d * w1; c32 += d * w2; c33 += d * w3;
      }
      x0 += segment + skip; x1 += segment + skip; x2 += segment + skip; x3 += segment + skip;
    }
    m[out] = c00; m[out + 1] = c01; m[out + 2] = c02; m[out + 3] = c03;
    m[out + 4] = c10; m[out + 5] = c11; m[out + 6] = c12; m[out + 7] = c13;
    m[out + 8] = c20; m[out + 9] = c21; m[out + 10] = c22; m[out + 11] = c23;
    m[out + 12] = c30; m[out + 13] = c31; m[out + 14] = c32; m[out + 15] = c33;
  };
}

/* Instructions of WebAssembly, as bytes (WebAssembly Core Specification 2.0, section 5.4). */
const get = n => [0x20, n], set = n => [0x21, n], ADD = 0x6a, LESS = 0x49, LOOP = [0x03, 0x40], END = 0x0b;
const branchIf = [0x0d, 0], constant = n => [0x41, n];
const load = [0xfd, 0, 2, 0], splat = [0xfd, 9, 2, 0], store = offset => [0xfd, 11, 2, offset];
const plus = [0xfd, 0xe4, 1], times = [0xfd, 0xe6, 1];
const I32 = 0x7f, V128 = 0x7b;
/* parameters, in bytes; locals */
const X = [0, 1, 2, 3], W = 4, KH = 5, SEGMENT = 6, SKIP = 7, OUT = 8, LAST = 9, C = [10, 11, 12, 13], ROW = 14;

function leb(n) { return n < 128 ? [n] : [n & 127 | 128, ...leb(n >> 7)]; }
const vector = list => [...leb(list.length), ...list];
const section = (id, body) => [id, ...vector(body)];
const text = s => vector([...s].map(c => c.charCodeAt(0)));
const increase = (local, by) => [...get(local), ...by, ADD, ...set(local)];

function moduleBytes() {
  const code = [
    ...C.flatMap(c => [...get(OUT), ...load, ...set(c)]),
    ...LOOP,
      ...get(X[0]), ...get(SEGMENT), ADD, ...set(LAST),
      ...LOOP,
        ...get(W), ...load, ...set(ROW),
        ...X.flatMap((x, i) => [...get(C[i]), ...get(x), ...splat, ...get(ROW), ...times, ...plus, ...set(C[i])]),
        ...increase(W, constant(16)), ...X.flatMap(x => increase(x, constant(4))),
        ...get(X[0]), ...get(LAST), LESS, ...branchIf,
      END,
      ...X.flatMap(x => increase(x, get(SKIP))),
      ...increase(KH, [0x41, 0x7f]), ...get(KH), ...branchIf,          /* minus one */
    END,
    ...C.flatMap((c, i) => [...get(OUT), ...get(c), ...store(16 * i)]),
    END];
  const body = [2, 1, I32, 5, V128, ...code];
  return new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
    ...section(1, [1, 0x60, ...vector(Array(9).fill(I32)), 0]),
    ...section(2, [1, ...text("m"), ...text("m"), 2, 0, 1]),
    ...section(3, [1, 0]), ...section(7, [1, ...text("tile"), 0, 0]),
    ...section(10, [1, ...vector(body)])]);
}

/* Memory for so many values, and the tile on it. */
function tiles(values) {
  try {
    const memory = new WebAssembly.Memory({ initial: Math.ceil(values / 16384) });
    const f = new WebAssembly.Instance(new WebAssembly.Module(moduleBytes()), { m: { m: memory } }).exports.tile;
    return { floats: new Float32Array(memory.buffer), vectors: true,
      tile: (a, b, c, d, w, kh, segment, skip, out) =>
        f(4 * a, 4 * b, 4 * c, 4 * d, 4 * w, kh, 4 * segment, 4 * skip, 4 * out) };
  } catch {
    const floats = new Float32Array(values);
    return { floats, tile: tileInJavaScript(floats), vectors: false };
  }
}
]=]
