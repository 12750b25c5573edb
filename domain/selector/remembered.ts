/** What each further entry takes beside its text, as characters. */
const entrySize = 64;

/**
 * What `make` makes of a text, kept for the texts that were asked for last. They have no more characters than `max`
 * together. What is made of a text must be the same every time.
 */
export function remembered<Made>(make: (text: string) => Made, max: number): (text: string) => Made {
  const kept = new Map<string, Made>();
  let size = 0;

  return (text) => {
    const known = kept.get(text);
    const made = known ?? make(text);
    // A map has its keys in the order in which they came.
    if (known === undefined) size += text.length + entrySize;
    else kept.delete(text);
    kept.set(text, made);
    for (const [oldest] of kept) {
      if (size <= max) break;
      kept.delete(oldest);
      size -= oldest.length + entrySize;
    }
    return made;
  };
}
