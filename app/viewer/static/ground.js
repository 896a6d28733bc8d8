// Where pixels of an image lie on the Earth, from the control grid of its facts.
// Between the points a cubic through four of them along each axis is taken.

const EARTH = 6371008.8; // mean radius, metres

export class Ground {
  constructor(facts) {
    this.width = facts.width;
    this.height = facts.height;
    this.nodes = facts.grid.nodes;
    this.lon = facts.grid.lon;
    this.lat = facts.grid.lat;
  }

  // Longitude and latitude of a raster pixel in degrees, or null. Longitudes are not
  // wrapped, so that they do not jump inside an image.
  at(x, y) {
    const steps = this.nodes - 1;
    const [ix, wx] = cubic((x / this.width) * steps, this.nodes);
    const [iy, wy] = cubic((y / this.height) * steps, this.nodes);
    let lon = 0;
    let lat = 0;
    for (let j = 0; j < 4; j++) {
      for (let i = 0; i < 4; i++) {
        const k = (iy + j) * this.nodes + ix + i;
        if (this.lon[k] === null || this.lat[k] === null) return null;
        lon += wx[i] * wy[j] * this.lon[k];
        lat += wx[i] * wy[j] * this.lat[k];
      }
    }
    return [lon, lat];
  }

  // Raster pixel of a place, or null: Newton's steps from the middle.
  pixel(lon, lat) {
    let x = this.width / 2;
    let y = this.height / 2;
    for (let step = 0; step < 30; step++) {
      const here = this.at(x, y);
      if (!here) return null;
      const across = this.slope(x, y);
      if (!across) return null;
      const turns = Math.round((here[0] - lon) / 360) * 360;
      const east = lon + turns - here[0];
      const north = lat - here[1];
      const [a, b, c, d] = across; // dlon/dx, dlon/dy, dlat/dx, dlat/dy
      const area = a * d - b * c;
      if (!area) return null;
      const dx = (d * east - b * north) / area;
      const dy = (a * north - c * east) / area;
      x = Math.min(Math.max(x + dx, -this.width), 2 * this.width);
      y = Math.min(Math.max(y + dy, -this.height), 2 * this.height);
      if (Math.hypot(dx, dy) < 1e-3) return [x, y];
    }
    return null;
  }

  slope(x, y) {
    const h = Math.max(this.width, this.height) / 2000;
    const [e, w, s, n] = [
      this.at(x + h, y), this.at(x - h, y), this.at(x, y + h), this.at(x, y - h),
    ];
    if (!e || !w || !s || !n) return null;
    const k = 2 * h;
    return [(e[0] - w[0]) / k, (s[0] - n[0]) / k, (e[1] - w[1]) / k, (s[1] - n[1]) / k];
  }

  // Metres east and north for one pixel to the right and one down: [[e, n], [e, n]].
  metres(x, y) {
    const here = this.at(x, y);
    const slope = here && this.slope(x, y);
    if (!slope) return null;
    const up = (Math.PI / 180) * EARTH;
    const across = up * Math.cos((here[1] * Math.PI) / 180);
    const [a, b, c, d] = slope;
    return [[a * across, c * up], [b * across, d * up]];
  }
}

// First of four points to use for a position on a grid of n points, and their weights.
function cubic(at, n) {
  const first = Math.min(Math.max(Math.floor(at) - 1, 0), n - 4);
  const t = at - first;
  return [first, [
    -((t - 1) * (t - 2) * (t - 3)) / 6,
    (t * (t - 2) * (t - 3)) / 2,
    -(t * (t - 1) * (t - 3)) / 2,
    (t * (t - 1) * (t - 2)) / 6,
  ]];
}

// "34.05223° N, 118.24368° W"
export function degrees([lon, lat]) {
  const wrapped = ((((lon + 180) % 360) + 360) % 360) - 180;
  const north = lat >= 0 ? "N" : "S";
  const east = wrapped >= 0 ? "E" : "W";
  return `${Math.abs(lat).toFixed(5)}° ${north}, ${Math.abs(wrapped).toFixed(5)}° ${east}`;
}

// The largest 1, 2 or 5 times a power of ten that is not longer.
export function roundLength(longest) {
  const power = 10 ** Math.floor(Math.log10(longest));
  return Math.max(...[1, 2, 5].map((n) => n * power).filter((n) => n <= longest), power);
}

export function lengthText(metres) {
  const short = (value) => String(Number(value.toPrecision(3)));
  if (metres >= 1000) return `${short(metres / 1000)} km`;
  return metres >= 1 ? `${short(metres)} m` : `${short(metres * 100)} cm`;
}
