// Linked views: what one pane shows, the other shows too, by the ground where both
// images have a place on the Earth.

export function follow(from, to) {
  const { x, y, scale, angle } = from.view.place;
  const there = from.ground && to.ground && ground(from, to, x, y, scale, angle);
  if (there) return there;
  const sx = to.facts.width / from.facts.width;
  const sy = to.facts.height / from.facts.height;
  return { x: x * sx, y: y * sy, scale: scale / Math.sqrt(sx * sy) };
}

// The pixel of another pane's image that shows what is at a pixel of this one, or null.
export function twin(from, to, x, y) {
  if (!from.ground || !to.ground) return null;
  const place = from.ground.at(x, y);
  return place && to.ground.pixel(...place);
}

function ground(from, to, x, y, scale, angle) {
  const pixel = twin(from, to, x, y);
  if (!pixel) return null;
  const [here, there] = [from.ground.metres(x, y), to.ground.metres(...pixel)];
  if (!here || !there) return null;
  // Screen pixels for a metre stay; and so does the direction of east on the screen.
  const turned = angle + heading(here) - heading(there);
  const small = Math.abs(turned) < 0.02;
  return {
    x: pixel[0], y: pixel[1], scale: (scale / size(here)) * size(there), angle: small ? 0 : turned,
  };
}

// Metres a pixel, and degrees that its row runs counter-clockwise of east.
const size = ([[a, b], [c, d]]) => Math.sqrt(Math.abs(a * d - b * c));
const heading = ([[east, north]]) => (Math.atan2(north, east) * 180) / Math.PI;

// Say whether two images share ground, as far as their corners tell.
export function overlap(one, other) {
  if (!one.corners || !other.corners) return true; // unknown: compared pixel by pixel
  const box = (corners) => {
    const known = corners.filter(Boolean);
    if (!known.length) return null;
    const [lon, lat] = [0, 1].map((k) => known.map((point) => point[k]));
    return [Math.min(...lon), Math.min(...lat), Math.max(...lon), Math.max(...lat)];
  };
  const [a, b] = [box(one.corners), box(other.corners)];
  return !a || !b || (a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3]);
}
