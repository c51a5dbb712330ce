//! Lo que comparten los bancos.

/// El valor de en medio.
pub fn mediana(valores: impl IntoIterator<Item = f64>) -> f64 {
    let mut valores: Vec<_> = valores.into_iter().collect();
    valores.sort_by(f64::total_cmp);
    valores[valores.len() / 2]
}
