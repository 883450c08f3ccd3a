const tooltip = h("div", { id: "tooltip", role: "tooltip", hidden: true });
document.body.append(tooltip);

/** Shows content beside a point of the window, where there is room for it. */
function showTooltip(children, x, y) {
  tooltip.replaceChildren(...children);
  tooltip.hidden = false;
  const { width, height } = tooltip.getBoundingClientRect();
  const left = x + 14 + width > innerWidth ? x - 14 - width : x + 14;
  const top = y + 14 + height > innerHeight ? y - 14 - height : y + 14;
  tooltip.style.left = `${Math.max(4, left)}px`;
  tooltip.style.top = `${Math.max(4, top)}px`;
}

function hideTooltip() {
  tooltip.hidden = true;
}

addEventListener("keydown", (event) => { if (event.key === "Escape") hideTooltip(); });
addEventListener("scroll", hideTooltip, true);
