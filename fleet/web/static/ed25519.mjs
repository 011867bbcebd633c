// Ed25519 verification in BigInt (RFC 8032 §5.1.7), for pages without WebCrypto. It never signs and holds no secret.
//
// Strict: S < L, both points in their one canonical encoding and not of small order, and the equation without the
// cofactor. That is what libsodium checks and what the WebCrypto specification asks of browsers.

import { sha512 } from "./sha2.mjs";
import { concat } from "./bytes.mjs";

const P = 2n ** 255n - 19n;
const L = 2n ** 252n + 27742317777372353535851937790883648493n;

const mod = (n) => ((n % P) + P) % P;

function power(base, exponent) {
  let result = 1n;
  for (let square = base; exponent > 0n; exponent >>= 1n, square = (square * square) % P) {
    if (exponent & 1n) result = (result * square) % P;
  }
  return result;
}

const D = mod(-121665n * power(121666n, P - 2n));
const SQRT_MINUS_ONE = power(2n, (P - 1n) / 4n);

function little(bytes) {
  return bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

// Points are extended coordinates [X, Y, Z, T] with x = X/Z, y = Y/Z, xy = T/Z (RFC 8032 §5.1.4).
const NEUTRAL = [0n, 1n, 1n, 0n];

function add([x1, y1, z1, t1], [x2, y2, z2, t2]) {
  const a = mod((y1 - x1) * (y2 - x2));
  const b = mod((y1 + x1) * (y2 + x2));
  const c = mod(2n * D * t1 * t2);
  const d = mod(2n * z1 * z2);
  const [e, f, g, h] = [b - a, d - c, d + c, b + a];
  return [mod(e * f), mod(g * h), mod(f * g), mod(e * h)];
}

function double([x, y, z]) {
  const a = mod(x * x);
  const b = mod(y * y);
  const c = mod(2n * z * z);
  const h = a + b;
  const e = h - mod((x + y) * (x + y));
  const g = a - b;
  const f = c + g;
  return [mod(e * f), mod(g * h), mod(f * g), mod(e * h)];
}

const same = (p, q) => mod(p[0] * q[2] - q[0] * p[2]) === 0n && mod(p[1] * q[2] - q[1] * p[2]) === 0n;

const negative = ([x, y, z, t]) => [mod(-x), y, z, mod(-t)];

/** The point that 32 bytes encode, or null: not canonical, or not on the curve (RFC 8032 §5.1.3). */
function point(bytes) {
  const encoded = little(bytes);
  const sign = encoded >> 255n;
  const y = encoded & (2n ** 255n - 1n);
  if (y >= P) return null;
  const u = mod(y * y - 1n);
  const v = mod(D * y * y + 1n);
  let x = mod(u * v ** 3n * power(mod(u * v ** 7n), (P - 5n) / 8n));
  const check = mod(v * x * x);
  if (check === mod(-u)) x = mod(x * SQRT_MINUS_ONE);
  else if (check !== u) return null;
  if (x === 0n && sign === 1n) return null;
  if ((x & 1n) !== sign) x = mod(-x);
  return [x, y, 1n, mod(x * y)];
}

const BASE = (() => {
  const y = mod(4n * power(5n, P - 2n));
  return point(Uint8Array.from({ length: 32 }, (_, i) => Number((y >> BigInt(8 * i)) & 255n)));
})();

const smallOrder = (p) => same(double(double(double(p))), NEUTRAL);

/** True where `signature` (64 bytes) over `message` is that of `publicKey` (32 bytes). Never throws on bad input. */
export function verify(publicKey, message, signature) {
  if (publicKey.length !== 32 || signature.length !== 64) return false;
  const s = little(signature.subarray(32));
  if (s >= L) return false;
  const a = point(publicKey);
  const r = point(signature.subarray(0, 32));
  if (!a || !r || smallOrder(a) || smallOrder(r)) return false;
  const k = little(sha512(concat(signature.subarray(0, 32), publicKey, message))) % L;
  // [S]B - [k]A in one pass (Straus), then compared with R.
  const minusA = negative(a);
  const table = [NEUTRAL, BASE, minusA, add(BASE, minusA)];
  let sum = NEUTRAL;
  for (let bit = 252n; bit >= 0n; bit--) {
    sum = double(sum);
    const which = Number((s >> bit) & 1n) + 2 * Number((k >> bit) & 1n);
    if (which) sum = add(sum, table[which]);
  }
  return same(sum, r);
}
