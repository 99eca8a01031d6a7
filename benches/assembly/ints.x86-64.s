# 29 instructions are executed by one call (ints; hardware counter).
# rustc 1.95.0, written by benches/assembly/update.sh.

<kymo_call_ints>:
	mov    ...(%rip),%rax
	movzbl (%rax),%eax
	cmp    $0x2,%al
	jbe    <kymo_call_ints+0x1a>
	lea    ...(%rip),%rcx
	jmp    <kymo::call::log3::fast>
	ret

<kymo::call::log3::fast>:
	mov    $0xffffffffffffff48,%rax
	mov    %fs:(%rax),%r8
	incq   (%r8)
	jne    <kymo::call::log3::fast+0x5c>
	mov    0x8(%r8),%r9
	lea    0x28(%r9),%r10
	mov    0x30(%r8),%rax
	cmp    %r10,%rax
	jae    <kymo::call::log3::fast+0x26>
	jmp    <kymo::call::log3::coarse>
	mov    %rdx,%r11
	rdtsc
	mov    %eax,0x8(%r9)
	mov    %edx,0xc(%r9)
	mov    %rcx,(%r9)
	movw   $0x28,0x6(%r9)
	mov    %rdi,0x10(%r9)
	mov    %rsi,0x18(%r9)
	mov    %r11,0x20(%r9)
	mov    0x10(%r8),%rax
	mov    %r10,(%rax)
	mov    %r10,0x8(%r8)
	movq   $0xffffffffffffffff,(%r8)
	ret
	jmp    <kymo::call::log3::slow>
