/** Keeps secrets readable for this installation alone: everything hangs on its secret key, which no store holds. */
export interface SecretBox {
  /**
   * Encrypts `text` (AES-256-GCM). `context` says what it is, `signing-key` or `user-key/7`: a sealed text opens in
   * no other context, so that who can write to a table cannot pass one secret off as another.
   */
  seal(text: string, context: string): string;
  /** @throws SealBroken for another key, another context or a changed text. */
  open(sealed: string, context: string): string;
  /** A keyed hash, the same for the same text and context: finds a text without showing it. Base64url. */
  fingerprint(text: string, context: string): string;
}

/** A sealed text was changed, or belongs to another context or another installation. */
export class SealBroken extends Error {
  override readonly name = 'SealBroken';
}
