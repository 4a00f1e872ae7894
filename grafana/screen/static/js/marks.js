// Grafana's annotations: festivals as a shaded stretch, flags as a line where they began.

let marks = [];

export function setMarks(found) {
  const same = JSON.stringify(found) === JSON.stringify(marks);
  marks = found;
  return !same;
}

export const marksAt = (from, to) => marks.filter((m) => m.from < to && m.to >= from);

export function drawMarks(u) {
  const { ctx, bbox } = u;
  const [low, high] = [u.scales.x.min, u.scales.x.max].map((s) => s * 1000);
  ctx.save();
  for (const mark of marksAt(low, high)) {
    const x1 = u.valToPos(Math.max(mark.from, low) / 1000, "x", true);
    const x2 = u.valToPos(Math.min(mark.to, high) / 1000, "x", true);
    ctx.fillStyle = mark.color;
    if (mark.span) {
      ctx.globalAlpha = 0.9;
      ctx.fillRect(x1, bbox.top, x2 - x1, 3 * devicePixelRatio);
    } else if (mark.from >= low) {
      ctx.globalAlpha = 0.55;
      ctx.fillRect(Math.round(x1), bbox.top, devicePixelRatio, bbox.height);
      ctx.globalAlpha = 1;
      const size = 4 * devicePixelRatio;
      ctx.beginPath();
      ctx.moveTo(x1 - size, bbox.top);
      ctx.lineTo(x1 + size, bbox.top);
      ctx.lineTo(x1, bbox.top + 1.6 * size);
      ctx.fill();
    }
  }
  ctx.restore();
}
