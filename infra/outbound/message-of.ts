/** What an error says. Node leaves the message empty where several addresses of a host failed. */
export const messageOf = (error: unknown): string =>
  (error as Error).message || String((error as { code?: string }).code ?? error);
