// The code stands in the fragment of the URL, which no server and no log sees. It is
// posted as the form does, and taken out of the history.
const code = location.hash.slice(1);
const form = document.getElementById("login");
if (code && form) {
  history.replaceState(null, "", location.pathname);
  form.elements.code.value = code;
  form.submit();
}
