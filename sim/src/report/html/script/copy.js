/** A text with a button that copies it. */
function copyable(text) {
  return [h("code", {}, text), " ", h("button", { type: "button", class: "copy" }, "Copy")];
}

// Every such button copies the code before it.
document.addEventListener("click", (event) => {
  const button = event.target.closest?.("button.copy");
  if (!button) return;
  const code = button.previousElementSibling;
  const said = (text) => {
    button.textContent = text;
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  };
  const select = () => {
    getSelection().selectAllChildren(code);
    said("Selected");
  };
  // Not every browser lets a page in a file write to the clipboard.
  if (navigator.clipboard) navigator.clipboard.writeText(code.textContent).then(() => said("Copied"), select);
  else select();
});
