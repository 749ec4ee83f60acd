/** An input that cannot be read as an image; its message is one line for the user. */
export class UnreadableError extends Error {}

/** A kind of JPEG or colour profile that the page's own code does not know, but a browser may. */
export class UnsupportedError extends Error {}
