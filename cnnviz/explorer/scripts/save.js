// The picture that is shown, as a file.


/** @param {any} app */
export function saving(app) {
  app.byId("save-png").addEventListener("click", () => {
    const canvas = app.byId("picture");
    const name = `${app.data.photo.replace(/\.[^.]*$/, "")}-${app.data.names[app.state.class]}`.replace(/[^\p{L}\p{N}-]+/gu, "-");
    canvas.toBlob((/** @type {Blob} */ blob) => handed(blob, `${name}.png`), "image/png");
  });
  app.byId("copy-address").addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(location.href);
      app.byId("copied").textContent = "The address is copied.";
    } catch {
      app.byId("copied").textContent = "The address is in the address bar.";
    }
  });
}

/** @param {Blob} blob @param {string} name */
function handed(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
