// The excerpt below a search result is cut from the prose of its page, not from code, outputs, menus or TeX.

Search.htmlToText = (html, anchor) => {
  const page = new DOMParser().parseFromString(html, "text/html");
  page.querySelectorAll("pre, table, .cell, div.math, .headerlink, script, style").forEach((part) => part.remove());
  page.querySelectorAll(".math").forEach((formula) => (formula.textContent = formula.textContent.replace(/^\\\(|\\\)$/g, "")));
  const article = page.querySelector("article");
  const prose = (anchor && article?.querySelector(anchor)) || article;
  return prose ? prose.textContent.replace(/\s+/g, " ") : "";
};
