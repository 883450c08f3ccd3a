const SVG = "http://www.w3.org/2000/svg";

/** Makes an element: `on…` are listeners, `css` single style properties, `false` and `null` leave an attribute out. */
function make(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === false || value === null || value === undefined) continue;
    if (name === "css") {
      for (const [property, text] of Object.entries(value)) element.style.setProperty(property, text);
    } else if (name.startsWith("on")) {
      element.addEventListener(name.slice(2), value);
    } else {
      element.setAttribute(name, value === true ? "" : value);
    }
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

function h(tag, attributes, ...children) {
  return make(document.createElement(tag), attributes, children);
}

function s(tag, attributes, ...children) {
  return make(document.createElementNS(SVG, tag), attributes, children);
}

const data = JSON.parse(document.getElementById("data").textContent);
const content = document.getElementById("content");
content.replaceChildren();

const pen = document.createElement("canvas").getContext("2d");
pen.font = "12px system-ui, sans-serif";
const widths = new Map();

/** The width of a text in a drawing. */
function widthOf(text) {
  if (!widths.has(text)) widths.set(text, pen.measureText(text).width);
  return widths.get(text);
}
