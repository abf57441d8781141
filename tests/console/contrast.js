// Texts and edges of fields that stand out too little from what lies behind them (WCAG 2.2, 1.4.3 and 1.4.11).
(() => {
  const TEXT = 4.5;
  const EDGE = 3;

  function parse(color) {
    const [r, g, b, a = 1] = color.match(/[\d.]+/g).map(Number);
    return { channels: [r, g, b], a };
  }

  function luminance({ channels }) {
    const linear = channels
      .map((channel) => channel / 255)
      .map((channel) => (channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4));
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  }

  function ratio(one, other) {
    const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  }

  function ground(element) {
    for (let at = element; at; at = at.parentElement) {
      const color = parse(getComputedStyle(at).backgroundColor);
      if (color.a === 1) return color;
    }
    throw new Error("nothing lies behind");
  }

  const bad = [];
  let seen = 0;
  function note(element, what, color, behind, least) {
    seen += 1;
    const found = ratio(parse(color), behind);
    if (found < least) bad.push(`${what} of ${element.tagName} '${element.id || element.className}': ${found.toFixed(2)}`);
  }

  for (const element of document.querySelectorAll("body *")) {
    if (!element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const isField = element.matches("input, textarea");
    const hasText = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim());
    if (isField || hasText) note(element, "text", style.color, ground(element), TEXT);
    if (isField) note(element, "edge", style.borderTopColor, ground(element.parentElement), EDGE);
  }
  return { seen, bad };
})();
