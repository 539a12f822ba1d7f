// Draws the interactive charts from the specifications in the page; words for a browser that cannot.
"use strict";
for (const place of document.querySelectorAll(".chart")) {
  const specification = JSON.parse(document.getElementById(place.dataset.specification).textContent);
  vegaEmbed(place, specification, { actions: false, renderer: "svg", ast: false }).catch((error) => {
    place.textContent = `This chart could not be drawn: ${error.message}`;
  });
}
