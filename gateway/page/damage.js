// How many scratches and spots were filled: the service says which pixels, people count pieces.

const LONGEST_PX = 1024;
const LEAST_PX = 3;
/** A piece longer than this share of the picture's longer side is a scratch, any other a spot. */
const SCRATCH = 0.05;

/** Count the white pieces of a mask (a Blob), those that touch by a corner as one: `{scratches, spots}`, or null. */
export async function countDamage(mask) {
  try {
    return countPieces(await readPixels(mask));
  } catch {
    return null; // a mask that this browser cannot show
  }
}

async function readPixels(mask) {
  const bitmap = await createImageBitmap(mask);
  const scale = Math.min(LONGEST_PX / Math.max(bitmap.width, bitmap.height), 1);
  const canvas = document.createElement("canvas");
  const [width, height] = [canvas.width, canvas.height] = [bitmap.width, bitmap.height].map((length) => Math.ceil(length * scale));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0, width, height);
  bitmap.close();
  const { data } = context.getImageData(0, 0, width, height);
  return { width, height, marked: Uint8Array.from({ length: width * height }, (_, at) => (data[4 * at] > 63 ? 1 : 0)) };
}

function countPieces({ width, height, marked }) {
  const found = { scratches: 0, spots: 0 };
  for (let start = 0; start < marked.length; start += 1) {
    if (!marked[start]) continue;
    const piece = take(start, marked, width, height);
    if (piece.pixels < LEAST_PX) continue;
    found[piece.length > SCRATCH * Math.max(width, height) ? "scratches" : "spots"] += 1;
  }
  return found;
}

/** Unmark a piece; gives its number of pixels and the diagonal of its box. */
function take(start, marked, width, height) {
  const open = [start];
  marked[start] = 0;
  let [left, right, top, bottom, pixels] = [width, 0, height, 0, 0];
  while (open.length) {
    const at = open.pop();
    const [x, y] = [at % width, Math.floor(at / width)];
    [left, right, top, bottom, pixels] = [Math.min(left, x), Math.max(right, x), Math.min(top, y), Math.max(bottom, y), pixels + 1];
    for (let row = Math.max(y - 1, 0); row <= Math.min(y + 1, height - 1); row += 1) {
      for (let column = Math.max(x - 1, 0); column <= Math.min(x + 1, width - 1); column += 1) {
        const next = row * width + column;
        if (marked[next]) open.push(next);
        marked[next] = 0;
      }
    }
  }
  return { pixels, length: Math.hypot(right - left + 1, bottom - top + 1) };
}
