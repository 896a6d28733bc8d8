// Outlines of regions as SVG paths in raster pixels.

// Largest number of runs of a mask that are traced; a finer mask shows its outer ring.
const MOST_RUNS = 400000;

export function outline(region, image) {
  if (region.rle) {
    const [h, w] = region.rle.size;
    const [x0, y0] = region.rle.window || [0, 0, image.width, image.height];
    const runs = decode(region.rle.counts);
    if (runs.length <= MOST_RUNS) return trace(runs, h, w, x0, y0);
  }
  const ring = (points) => `M${points.map(([x, y]) => `${x} ${y}`).join("L")}Z`;
  return ring(region.pixels);
}

// Lengths of the runs of a compressed COCO code: clear, set, clear, ...
export function decode(counts) {
  const runs = [];
  let p = 0;
  while (p < counts.length) {
    let x = 0;
    let k = 0;
    let more = true;
    while (more && p < counts.length) {
      const c = counts.charCodeAt(p++) - 48;
      x += (c & 0x1f) * 32 ** k; // not by shifts, which have 32 bits only
      more = Boolean(c & 0x20);
      k += 1;
      if (!more && c & 0x10) x -= 32 ** k;
    }
    if (runs.length > 2) x += runs[runs.length - 2];
    runs.push(x);
  }
  return runs;
}

// Trace the outlines of a mask whose runs go down the columns, one after another.
// Holes run the other way round; with the rule "evenodd" they stay open.
export function trace(runs, h, w, x0, y0) {
  // Set pieces [top, bottom) of each column.
  const columns = Array.from({ length: w + 2 }, () => []); // one empty on each side
  let at = 0;
  runs.forEach((length, index) => {
    let end = at + length;
    if (index % 2) {
      while (at < end) {
        const column = Math.floor(at / h);
        const stop = Math.min(end, (column + 1) * h);
        if (column < w) columns[column + 1].push([at - column * h, stop - column * h]);
        at = stop;
      }
    }
    at = end;
  });
  // Directed edges with the set pixels to their right: start -> ends.
  const edges = new Map();
  const add = (ax, ay, bx, by) => {
    const key = `${ax},${ay}`;
    if (!edges.has(key)) edges.set(key, []);
    edges.get(key).push([bx, by]);
  };
  for (let c = 1; c <= w; c++) {
    for (const [top, bottom] of columns[c]) {
      add(c - 1, top, c, top);
      add(c, bottom, c - 1, bottom);
    }
  }
  for (let c = 0; c <= w; c++) {
    for (const [top, bottom] of without(columns[c], columns[c + 1])) add(c, top, c, bottom);
    for (const [top, bottom] of without(columns[c + 1], columns[c])) add(c, bottom, c, top);
  }
  const paths = [];
  for (const [start, ends] of edges) {
    while (ends.length) {
      const first = start.split(",").map(Number);
      const points = [first];
      let here = ends.pop();
      let before = first;
      while (here && (here[0] !== first[0] || here[1] !== first[1])) {
        points.push(here);
        const next = edges.get(`${here[0]},${here[1]}`);
        if (!next || !next.length) break;
        // Where two corners touch, turn right: pixels that touch so are apart.
        let best = next.length - 1;
        if (next.length > 1) best = next.findIndex((n) => turnsRight(before, here, n));
        before = here;
        [here] = next.splice(Math.max(best, 0), 1);
      }
      paths.push(`M${points.map(([x, y]) => `${x + x0} ${y + y0}`).join("L")}Z`);
    }
  }
  return paths.join("");
}

function turnsRight(a, b, c) {
  return (b[0] - a[0]) * (c[1] - b[1]) - (b[1] - a[1]) * (c[0] - b[0]) > 0;
}

// Pieces of sorted intervals that are not in the others.
function without(intervals, others) {
  const left = [];
  for (let [start, end] of intervals) {
    for (const [a, b] of others) {
      if (b <= start || a >= end) continue;
      if (a > start) left.push([start, a]);
      start = Math.max(start, b);
      if (start >= end) break;
    }
    if (start < end) left.push([start, end]);
  }
  return left;
}
