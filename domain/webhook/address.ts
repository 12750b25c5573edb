/** Of control characters, halves of surrogate pairs, spaces and backslashes, some readers of URLs leave some out, or turn them. */
const ambiguous = /[\p{Cc}\p{Cs}\s\\]/u;
const maxLength = 2048;

/** What stands before `://`, in lower case; undefined where nothing does. */
export const schemeOf = (address: string): string | undefined =>
  /^([a-z][a-z\d+.-]*):\/\//i.exec(address.trim())?.[1]?.toLowerCase();

/**
 * Where an address of a target leads: what is checked when it is given is what is asked when something is told. As Harbor
 * reads it, without a scheme it is of `http`. Undefined for what is no such URL, can be read in two ways, or names a user:
 * what is sent as `Authorization` is given beside it.
 */
export function webhookUrl(address: string): URL | undefined {
  const written = address.trim();
  if (written.length > maxLength || ambiguous.test(written)) return undefined;
  const scheme = schemeOf(written);
  // `http:/host` and `https:host` are of a host to some, and of a host by the name of the scheme to others.
  if (scheme === undefined && /^https?:/i.test(written)) return undefined;
  const url = URL.parse(scheme === undefined ? `http://${written}` : written);
  if (url === null || url.hostname === '' || !['http:', 'https:'].includes(url.protocol)) return undefined;
  // Empty names too, of which a URL shows nothing.
  const [, authority = ''] =
    /^(?:[^/]+:)?\/\/([^/?#]*)/.exec(scheme === undefined ? `//${written}` : written) ?? [];
  return authority === '' || authority.includes('@') ? undefined : url;
}
