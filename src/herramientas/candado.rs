//! Los candados, sin veneno.
//!
//! Un [`Mutex`] queda «envenenado» cuando un hilo muere con él puesto. Aquí lo que guarda cada candado es
//! válido entre dos instrucciones cualesquiera, así que el veneno no quiere decir nada: se sigue.

use std::sync::{LockResult, Mutex, MutexGuard, PoisonError};

/// Coge el candado.
pub fn candado<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    sin_veneno(mutex.lock())
}

/// Lo mismo, para lo que devuelve esperar en un [`Condvar`](std::sync::Condvar).
pub fn sin_veneno<T>(resultado: LockResult<T>) -> T {
    resultado.unwrap_or_else(PoisonError::into_inner)
}
