/** The addresses at which a mirror hears its primary, and limits that both ends share. */
export const introductionPath = '/replica/v1/introduction'
export const proofPath = '/replica/v1/proof'
export const framesPath = '/replica/v1/frames'
export const answersPath = '/replica/v1/answers'
export const binaryType = 'application/octet-stream'
/** Limit for a body, in bytes: a batch and one more frame fit. */
export const sealedBytesMax = 16 * 2 ** 20
/** No message of a handshake is longer. */
export const handshakeBytesMax = 1024
/** Bytes that are searched for frames without a break. */
export const bytesPerBreak = 64 * 1024
