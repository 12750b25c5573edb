/**
 * What to compare a tag by, byte by byte, so that the numbers in it count as numbers: `1.9` comes before `1.10`. Each
 * number has its length before it, with three digits, since a tag has up to 128 characters.
 */
export const naturalKey = (tag: string): string =>
  tag.replace(/\d+/g, (digits) => {
    const number = digits.replace(/^0+(?=\d)/, '');
    return String(number.length).padStart(3, '0') + number;
  });
