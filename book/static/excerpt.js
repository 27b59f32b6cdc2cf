// The excerpt below a search result is cut from the prose of its page, not from code, outputs or menus. A formula in a
// sentence reads as its symbols, without the commands of TeX: \mathbf{H}_t \odot \tanh(x) is H_t odot tanh(x).

const withoutTeX = (formula) =>
  formula
    .replaceAll("}{", "/") // \frac{a}{b}
    .replace(/\\[lr]?[vV]ert\s*/g, "|")
    .replace(/\\([,;:!]|q?quad)/g, " ")
    .replace(/\\(math(bf|rm|cal|bb)|text|operatorname|[dt]?frac|left|right|[bB]ig[lr]?|tilde|hat|overline)(?![a-z])/g, "")
    .replace(/\\[()]|[\\{}]/g, "");

Search.htmlToText = (html, anchor) => {
  const page = new DOMParser().parseFromString(html, "text/html");
  page.querySelectorAll("pre, table, .cell, div.math, .headerlink, script, style").forEach((part) => part.remove());
  page.querySelectorAll(".math").forEach((formula) => (formula.textContent = withoutTeX(formula.textContent)));
  const article = page.querySelector("article");
  const prose = (anchor && article?.querySelector(anchor)) || article;
  return prose ? prose.textContent.replace(/\s+/g, " ") : "";
};
