/**
 * Whether a client that sends this `Accept` takes a body of the media type (RFC 9110, "Accept"). Preferences say
 * nothing, since there is one form of each answer; a range with the weight 0 is not taken.
 */
export function accepts(header: string | undefined, mediaType: string): boolean {
  if (header === undefined || header.trim() === '') return true;
  const [type = '', subtype = ''] = mediaType.split(/[;/]/).map((part) => part.trim());
  return header.split(',').some((written) => {
    const [range = '', ...parameters] = written.split(';').map((part) => part.trim().toLowerCase());
    if (parameters.some((parameter) => /^q\s*=\s*0(?:\.0*)?$/.test(parameter))) return false;
    return range === '*/*' || range === `${type}/*` || range === `${type}/${subtype}`;
  });
}
