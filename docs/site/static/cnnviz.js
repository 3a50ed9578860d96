// Pictures are drawn wider than the column of text: each is a link to itself at its full size.
for (const picture of document.querySelectorAll(".content img")) {
  if (!(picture instanceof HTMLImageElement) || picture.closest("a")) continue;
  const link = document.createElement("a");
  link.href = picture.src;
  link.className = "whole";
  link.title = "At its full size";
  picture.replaceWith(link);
  link.append(picture);
}
