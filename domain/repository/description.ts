const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&#34;',
  "'": '&#39;',
};

/** A description as it is kept: Harbor's clients show it as a part of a page, and expect this done. */
export const escapedDescription = (written: string): string =>
  written.replace(/[&<>"']/g, (character) => entities[character] ?? character);
