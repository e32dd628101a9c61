/** Where the method comes from. */
export function Footer() {
  return (
    <footer className="page-footer">
      <p>
        The method: Verma, Murray, Duh,{' '}
        <a href="https://arxiv.org/abs/2501.06126">
          Merging Feed-Forward Sublayers for Compressed Transformers
        </a>{' '}
        (arXiv 2501.06126). Layerfold is not by its authors.
      </p>
    </footer>
  );
}
