/** `text` within a pattern of LIKE, where it stands for itself. */
export const escaped = (text: string): string => text.replace(/[\\%_]/g, '\\$&');
