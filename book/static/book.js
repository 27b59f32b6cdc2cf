// What style sheets cannot do for the pages of the book.

// What scrolls sideways can be reached, and scrolled, with the keyboard alone.
function reachWhatScrolls() {
  for (const box of document.querySelectorAll("article :is(pre, table:not(.guess table), mjx-container)")) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}
// The arrow that unfolds a part of the contents is called as the part is.
function nameArrows() {
  for (const summary of document.querySelectorAll(".has-children > details > summary")) {
    summary.setAttribute("aria-label", summary.closest(".has-children").querySelector("a").textContent);
  }
}
addEventListener("load", () => {
  nameArrows();
  reachWhatScrolls();
  window.MathJax?.startup?.promise.then(reachWhatScrolls);
});
addEventListener("resize", reachWhatScrolls);

// Folded cells are printed unfolded.
const folds = () => document.querySelectorAll("article details");
addEventListener("beforeprint", () => folds().forEach((fold) => { fold.dataset.was = fold.open; fold.open = true; }));
addEventListener("afterprint", () => folds().forEach((fold) => { fold.open = fold.dataset.was === "true"; }));
