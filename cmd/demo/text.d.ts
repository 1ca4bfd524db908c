/** A file of the examples, as text: it travels inside the binary. */
declare module "*.yaml" {
  const text: string;
  export default text;
}
